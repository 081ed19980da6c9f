//! What it takes to check an object of a kilobyte, from its bytes to the values as they are stored: of one processor, in
//! this process, by the code that the server runs. No store has a part in it.

use std::hint::black_box;
use std::time::Instant;

use guildhall_domain::bulk::{check_parts, check_values};
use guildhall_domain::field::{Definition, Definitions, NewDefinition, PhoneFormat};
use guildhall_domain::{FieldId, SubjectKind};
use guildhall_http::api::profiles::CreateOrganizationProfileRequest;
use guildhall_http::wire;
use guildhall_testkit::world::FIELDS;
use serde_json::json;

use super::Bench;
use crate::place::Store;
use crate::report::Row;
use crate::site::profile;
use crate::{Outcome, problem};

/// Different objects: they are in memory, and seldom in the nearest cache.
const OBJECTS: u64 = 10_000;
/// Objects between two looks at the clock.
const AT_A_TIME: usize = 100;

/// Whole profiles as they are created: ten values, three customers, two products. Those that take more or less than a kilobyte
/// count by their bytes.
pub fn check(bench: &Bench) -> Outcome<Vec<Row>> {
    // The same whatever the store.
    if let Store::Postgres { .. } = bench.place.store {
        return Ok(Vec::new());
    }
    let definitions = definitions()?;
    let bodies: Vec<Vec<u8>> = (0..OBJECTS)
        .map(|number| {
            let mut body = profile(&bench.place.world, number);
            let ids = |of: u64| -> Vec<String> {
                let id =
                    |place: u64| format!("{:08x}-5eed-4000-8000-{:012x}", number * 31 + of, number + place);
                (0..of).map(id).collect()
            };
            body["associateCustomers"] = json!({ "customerIds": ids(3) });
            body["associateProducts"] = json!({ "productIds": ids(2) });
            body.to_string().into_bytes()
        })
        .collect();
    let mut figures = Vec::new();
    for _ in 0..bench.arguments.runs {
        let mut bytes = 0;
        let began = Instant::now();
        'run: loop {
            for some in bodies.chunks(AT_A_TIME) {
                for body in some {
                    black_box(stored(body, &definitions)?);
                    bytes += body.len();
                }
                if began.elapsed() >= bench.arguments.lasts {
                    break 'run;
                }
            }
        }
        figures.push(began.elapsed().as_secs_f64() * 1e6 / (bytes as f64 / 1_024.0));
    }
    let bytes = bodies.iter().map(Vec::len).sum::<usize>() / bodies.len();
    let row = Row::new("check", "an object of 1 KB, µs", bench.store()).at_most(&figures);
    Ok(vec![row.note(format!("{bytes} bytes each"))])
}

/// How many values are stored of a body.
fn stored(body: &[u8], definitions: &Definitions) -> Outcome<usize> {
    let refused = |why: &dyn std::fmt::Display| problem(format!("a profile is refused: {why}"));
    let request: CreateOrganizationProfileRequest =
        wire::taken(body).ok_or_else(|| refused(&"its body is not as it should be"))?;
    let details = request.details.unwrap_or_default();
    let customers = request
        .customers
        .and_then(|customers| customers.ids)
        .unwrap_or_default();
    let products = request
        .products
        .and_then(|products| products.ids)
        .unwrap_or_default();
    let kind = SubjectKind::Organization;
    check_parts(kind, &details, &customers, &products).map_err(|why| refused(&why))?;
    let values = check_values(definitions, &details, PhoneFormat::Lenient).map_err(|why| refused(&why))?;
    Ok(values.len())
}

/// The fields of the world, in their order.
fn definitions() -> Outcome<Definitions> {
    let mut all = Vec::new();
    for (number, field) in (1..).zip(FIELDS) {
        let options: Vec<String> = field.options.iter().map(|option| (*option).to_owned()).collect();
        let options = (!options.is_empty()).then_some(options.as_slice());
        let new = NewDefinition::check(field.name, field.type_name, options)
            .map_err(|why| problem(format!("the field {}: {why}", field.name)))?;
        all.push(Definition {
            id: FieldId(number),
            name: new.name,
            key: new.key,
            field_type: new.field_type,
            options: new.options,
            position: number,
        });
    }
    Ok(Definitions::new(all))
}
