//! Object stores with the S3 protocol, for delta-rs.

use std::sync::{Arc, Once};

use deltalake_core::logstore::{
    DeltaIOStorageBackend, LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
    logstore_factories, object_store_factories,
};
use deltalake_core::{DeltaResult, DeltaTableError, Path};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use url::Url;

/// Registers the URLs of such stores, by their schemes, with delta-rs. Only the first call has an effect.
pub(crate) fn register(schemes: &[&str]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for scheme in schemes {
            if let Ok(scheme) = Url::parse(scheme) {
                object_store_factories().insert(scheme.clone(), Arc::new(S3));
                logstore_factories().insert(scheme, Arc::new(S3));
            }
        }
    });
}

/// A store with the settings of the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL` …). The
/// store rejects a log entry whose number exists, so two writers lose nothing.
struct S3;

pub(crate) fn open(url: &Url) -> object_store::Result<AmazonS3> {
    AmazonS3Builder::from_env()
        .with_url(url.as_str())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()
}

impl ObjectStoreFactory for S3 {
    fn parse_url_opts(&self, url: &Url, config: &StorageConfig) -> DeltaResult<(ObjectStoreRef, Path)> {
        let store = open(url).map_err(|source| DeltaTableError::ObjectStore { source })?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| DeltaTableError::generic(error.to_string()))?;
        let store: ObjectStoreRef = match &config.runtime {
            Some(runtime) => Arc::new(DeltaIOStorageBackend::new(Arc::new(store), runtime.clone())),
            None => Arc::new(store),
        };
        Ok((store, prefix))
    }
}

impl LogStoreFactory for S3 {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}
