-- The observations that count. Two of the same endpoint at the same instant are one only if one source made them.
SELECT * FROM observations WHERE TRUE{window}{sources}
