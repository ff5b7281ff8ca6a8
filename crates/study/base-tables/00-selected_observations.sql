-- The observations within the window and of the sources that the options select. The lake holds one observation per source, endpoint and instant.
SELECT * FROM observations WHERE TRUE{window}{sources}
