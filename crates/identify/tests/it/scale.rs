//! Ten times the products: the same requests for what is recognised. (The cost is measured by `benches/products.rs`.)

use std::sync::Arc;

use vigie_catalog::Catalog;
use vigie_identify::Identifier;

#[test]
fn a_recognised_server_gets_the_same_requests() {
    let small = Catalog::embedded();
    let large = Arc::new(
        Catalog::load(&crate::generated::ten_times(), None)
            .unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))),
    );
    assert!(large.products().len() >= small.products().len() * 10);
    let small = Arc::new(Identifier::new(small, Arc::default()));
    let large = Arc::new(Identifier::new(large, Arc::default()));
    for fixture in crate::read_fixtures()
        .iter()
        .filter(|fixture| fixture.head.expect.product.is_some())
    {
        let (a, b) = (fixture.replay(&small), fixture.replay(&large));
        assert_eq!(a.asked(), b.asked(), "{}", fixture.name);
        assert_eq!(a.conclusion.identity.product, b.conclusion.identity.product, "{}", fixture.name);
    }
}
