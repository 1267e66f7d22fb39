//! Create: what AWS is asked for, and what the template gets back.

use crate::harness::{CACHE, Setup, calls, production, quick_start, with};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_quick_start_makes_one_open_node() {
    let setup = Setup::new();
    let outcome = setup.created(quick_start()).await;
    let attribute = |key: &str| outcome.get_att(key).unwrap().to_owned();
    assert_eq!(outcome.physical_id, "development-myapp-valkey");
    assert_eq!(attribute("Connection.PasswordRequired"), "false");
    assert_eq!(attribute("Connection.TlsEnabled"), "false");
    assert_eq!(attribute("Configuration.NumCacheNodes"), "1");
    setup.deleted().await;
    let _ = (CACHE, calls(&[], ""), production(), with(json!({}), json!({})));
}

/// The production example: two nodes, TLS, a generated token.
#[tokio::test(start_paused = true)]
async fn the_production_example_is_made_whole() {
    let setup = Setup::new();
    let outcome = setup.created(production()).await;
    println!("{:#?}", outcome.attributes);
    println!("{:#?}", setup.write_names());
    setup.deleted().await;
}
