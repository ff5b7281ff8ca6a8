use crate::options;
