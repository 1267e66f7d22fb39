//! What the guides take from the code. What else they show is checked by `scripts/test_guides.py` and `make guides`.

use std::fmt::Write;
use std::path::Path;

use elasticache_resource::cost::{NodeKind, Price, node_types};
use elasticache_resource::domain::engine::Engine;

use crate::examples::{deployed_and_deleted, parameters};
use crate::harness::project_file;
use crate::reference::assert_generated;

fn price(engine: Engine, node_type: &str) -> Option<Price> {
    NodeKind { region: "us-east-1", engine, node_type }.built_in_price()
}

fn monthly(engine: Engine, node_type: &str, nodes: i32) -> String {
    price(engine, node_type).map_or_else(|| "not offered".to_owned(), |price| price.monthly_usd(nodes))
}

#[test]
fn the_prices_in_the_guide_are_those_of_the_code() {
    let basis = price(Engine::Valkey, "cache.t4g.micro").unwrap().basis;
    let mut table = format!(
        "USD for a month of 730 hours; {basis}.\n\n\
         | Node type | Memory, GiB | Valkey, 1 node | Valkey, 2 nodes | Redis OSS, 1 node | Redis OSS, 2 nodes |\n\
         | --- | --- | --- | --- | --- | --- |\n"
    );
    for (name, memory) in node_types() {
        let prices = [(Engine::Valkey, 1), (Engine::Valkey, 2), (Engine::Redis, 1), (Engine::Redis, 2)];
        let prices = prices.map(|(engine, nodes)| monthly(engine, name, nodes)).join(" | ");
        writeln!(table, "| `{name}` | {memory:.2} | {prices} |").unwrap();
    }
    assert_generated("docs/choosing.md", &table);
}

/// Prices in running text.
#[test]
fn what_the_guides_say_of_prices_is_right() {
    let text = |name: &str| std::fs::read_to_string(project_file(name)).unwrap();
    let saved = |node_type: &str| {
        let [valkey, redis] = [Engine::Valkey, Engine::Redis].map(|engine| monthly(engine, node_type, 1));
        format!("{:.2}", redis.parse::<f64>().unwrap() - valkey.parse::<f64>().unwrap())
    };
    let (small, large) = (saved("cache.t4g.micro"), saved("cache.r7g.large"));
    let sentence = format!("For a `cache.t4g.micro` it is {small} a month, for a `cache.r7g.large` {large}.");
    assert!(text("docs/choosing.md").contains(&sentence), "{sentence}");
    let [one, two] = [1, 2].map(|nodes| monthly(Engine::Valkey, "cache.t4g.micro", nodes));
    let seed = text("docs/from-the-seed.md");
    assert!(seed.contains(&format!("One node costs {one} USD a month, two {two}")), "{one} {two}");
    assert!(seed.contains(&format!("A fifth: {small} a month")), "{small}");
}

#[tokio::test(start_paused = true)]
async fn the_template_of_the_readme_is_deployed_and_deleted() {
    let readme = std::fs::read_to_string(project_file("README.md")).unwrap();
    let (_, template) = readme.split_once("```yaml\n").unwrap();
    let (template, _) = template.split_once("```").unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.yaml");
    std::fs::write(&path, template).unwrap();
    deployed_and_deleted(&path, &parameters()).await;
}
