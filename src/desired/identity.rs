//! Ids: what properties name a resource, and the generations of it. Pure.

use crate::domain::engine::Engine;
use crate::domain::names;
use crate::properties::Properties;

/// The stem that `id` is a generation of, with its number, if these properties name it.
pub(super) fn generation(p: &Properties, id: &str) -> Option<(String, u32)> {
    let stems = match (&p.replication_group_id, &p.env, &p.project_id) {
        (Some(given), _, _) => vec![given.to_ascii_lowercase()],
        // An engine change keeps the id, so the other engine's stem is as good.
        (None, Some(env), Some(project)) => {
            [Engine::Valkey, Engine::Redis].iter().map(|engine| names::stem(env, project, *engine)).collect()
        }
        _ => Vec::new(),
    };
    stems.into_iter().find_map(|stem| names::generation(id, &stem).map(|number| (stem, number)))
}

/// Ids for the next generation after `physical_id`, the first choice first: the numbers above its own, or when the
/// properties name the resource anew (`renamed`), that name and the numbers from two on.
pub fn next_generations<'a>(
    properties: &Properties,
    physical_id: &'a str,
    renamed: Option<&'a str>,
) -> impl Iterator<Item = String> + use<'a> {
    let (stem, number) = match renamed {
        // Under one SecretName the number alone keeps the secrets of two generations apart.
        Some(stem) if properties.secret_name.is_some() => (stem.to_owned(), names::trailing_number(physical_id)),
        Some(stem) => (stem.to_owned(), 0),
        None => generation(properties, physical_id).unwrap_or_else(|| (physical_id.to_owned(), 1)),
    };
    (number + 1..).map(move |number| names::of_generation(&stem, number))
}

/// Physical id of a new resource with these properties, when one can be derived even if they are not all right.
#[must_use]
pub fn derived_id(p: &Properties) -> Option<String> {
    if let Some(given) = &p.replication_group_id {
        return names::id_defect(given).is_none().then(|| given.to_ascii_lowercase());
    }
    Some(names::stem(p.env.as_ref()?, p.project_id.as_ref()?, p.engine.unwrap_or(Engine::Valkey)))
}
