//! The queries of a discovery: those of the products that were named, then those that were given.

use vigie_catalog::{Catalog, Product};
use vigie_discover::ServiceKind;

use super::options::DiscoverOptions;
use crate::failure::Failure;

/// A query, and the product that it belongs to.
type ProductQuery = (String, Option<String>);

/// The queries of the options.
pub(super) fn queries(options: &DiscoverOptions, catalog: &Catalog) -> Result<Vec<ProductQuery>, Failure> {
    let service = options.service;
    let mut all = Vec::new();
    for id in &options.products {
        let of_product = of_products(service, id, catalog)?;
        if of_product.is_empty() {
            return Err(Failure::usage(format!(
                "the catalogue has no query for {id} at {}; give one with --query, or name one of {}",
                service.word(),
                with_queries(service, catalog)
            )));
        }
        all.extend(of_product);
    }
    for query in &options.queries {
        all.push((one_line("--query", query)?, None));
    }
    if all.is_empty() {
        return Err(Failure::usage(match service {
            ServiceKind::CensysLegacy => "nothing to ask: give --query TEXT".to_owned(),
            _ => format!(
                "nothing to ask: give --product ID or --query TEXT. Products with queries: {}",
                with_queries(service, catalog)
            ),
        }));
    }
    if let Some(only) = &options.only {
        let only = one_line("--only", only)?;
        for (query, _) in &mut all {
            *query = match service {
                ServiceKind::Shodan => format!("{query} {only}"),
                ServiceKind::Censys | ServiceKind::CensysLegacy => format!("({query}) and ({only})"),
            };
        }
    }
    Ok(all)
}

/// The queries of a product, or of all of them.
fn of_products(service: ServiceKind, id: &str, catalog: &Catalog) -> Result<Vec<ProductQuery>, Failure> {
    let products: Vec<&Product> = match id {
        "all" => catalog.products().iter().collect(),
        id => vec![catalog.product(id).ok_or_else(|| {
            Failure::usage(format!(
                "{id:?} is no product of the catalogue; with queries for {} are {}",
                service.word(),
                with_queries(service, catalog)
            ))
        })?],
    };
    let of = |product: &Product| {
        let id = product.id.clone();
        of_product(service, product).into_iter().map(move |query| (query, Some(id.clone())))
    };
    Ok(products.into_iter().flat_map(of).collect())
}

fn of_product(service: ServiceKind, product: &Product) -> Vec<String> {
    match service {
        ServiceKind::Shodan => product.shodan.clone(),
        ServiceKind::Censys => product.censys.clone(),
        ServiceKind::CensysLegacy => Vec::new(),
    }
}

/// The products that have queries, for an error.
fn with_queries(service: ServiceKind, catalog: &Catalog) -> String {
    let ids: Vec<&str> = catalog
        .products()
        .iter()
        .filter(|product| !of_product(service, product).is_empty())
        .map(|product| product.id.as_str())
        .collect();
    ids.join(", ")
}

fn one_line(option: &str, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Failure::usage(format!("{option}: a query is one line, and not empty")));
    }
    Ok(text.to_owned())
}
