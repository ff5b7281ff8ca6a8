-- The models of each host, as last listed: a row per host, endpoint and model.
SELECT
  e.host, e.endpoint, m.position, m.name, m.digest, m.family, m.parameters, m.quantisation, m.format, m.remote, m.remote_host,
  m.system_prompt, m.system_prompt_class, m.modified,
  CASE WHEN m.word IS NULL THEN NULL
       WHEN m.word LIKE 'Q4%' OR m.word LIKE 'IQ4%' OR m.word LIKE '4BIT%' OR m.word = 'AWQ' THEN '4-bit'
       WHEN m.word LIKE 'Q8%' OR m.word LIKE '8BIT%' THEN '8-bit'
       WHEN m.word LIKE 'Q5%' OR m.word LIKE 'IQ5%' THEN '5-bit'
       WHEN m.word LIKE 'Q6%' OR m.word LIKE 'IQ6%' THEN '6-bit'
       WHEN m.word LIKE 'Q3%' OR m.word LIKE 'IQ3%' THEN '3-bit'
       WHEN m.word LIKE 'Q2%' OR m.word LIKE 'IQ2%' OR m.word LIKE 'TQ2%' THEN '2-bit'
       WHEN m.word LIKE 'Q1%' OR m.word LIKE 'IQ1%' OR m.word LIKE 'TQ1%' THEN '1-bit'
       -- A name with weights and activations (W4A16) counts by its weights.
       WHEN m.word LIKE '%W4A%' OR m.word LIKE '%INT4%' OR m.word LIKE '%FP4%' OR m.word LIKE '%NF4%' THEN '4-bit'
       WHEN m.word LIKE '%W8A%' OR m.word LIKE '%INT8%' OR m.word LIKE '%FP8%' OR m.word LIKE 'F8%' THEN '8-bit'
       WHEN m.word = 'F16' OR m.word LIKE '%BF16%' OR m.word LIKE '%FP16%' OR m.word LIKE '%FLOAT16%' OR m.word LIKE '%16BIT%' THEN '16-bit'
       WHEN m.word = 'F32' OR m.word LIKE '%FP32%' OR m.word LIKE '%FLOAT32%' OR m.word LIKE '%32BIT%' THEN '32-bit'
       -- A fraction of a bit (1.58) and 64 bits must not match by their last digit.
       WHEN m.word LIKE '%.%BIT%' OR m.word LIKE '%64BIT%' THEN 'other'
       WHEN m.word LIKE '%4BIT%' THEN '4-bit'
       WHEN m.word LIKE '%8BIT%' THEN '8-bit'
       WHEN m.word LIKE '%6BIT%' THEN '6-bit'
       WHEN m.word LIKE '%5BIT%' THEN '5-bit'
       WHEN m.word LIKE '%3BIT%' THEN '3-bit'
       WHEN m.word LIKE '%2BIT%' THEN '2-bit'
       ELSE 'other' END AS bits,
  -- NaN and infinity compare above every number and are not sizes.
  CASE WHEN m.billions <= 0 OR m.billions > 1e300 THEN NULL
       WHEN m.billions < 1 THEN '<1B' WHEN m.billions < 4 THEN '1-3B' WHEN m.billions < 8 THEN '4-7B' WHEN m.billions < 15 THEN '8-14B'
       WHEN m.billions < 36 THEN '15-35B' WHEN m.billions < 80 THEN '36-79B' WHEN m.billions >= 80 THEN '>=80B' END AS size
FROM (
  -- A port that answers under several names lists its models once.
  SELECT host, min(endpoint) AS endpoint, inventory FROM endpoints WHERE inventory IS NOT NULL GROUP BY host, port, transport, inventory
) AS e
JOIN (
  SELECT *,
    -- Unsloth's dynamic quantisations (UD-Q4_K_XL) count by the quantisation in their name.
    CASE WHEN folded LIKE 'UD%' THEN substr(folded, 3) ELSE folded END AS word,
    CASE upper(right(trim(parameters), 1))
    WHEN 'T' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE) * 1000
    WHEN 'B' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE)
    WHEN 'M' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE) / 1000
    WHEN 'K' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE) / 1000000
    ELSE NULL END AS billions
  FROM (
    SELECT state, position, max(name) AS name, max(digest) AS digest, max(family) AS family, max(parameters) AS parameters,
    max(quantisation) AS quantisation, translate(upper(max(quantisation)), '-_ ', '') AS folded, max(format) AS format, bool_or(remote) AS remote, max(remote_host) AS remote_host,
    max(system_prompt) AS system_prompt, max(system_prompt_class) AS system_prompt_class, max(modified) AS modified
    FROM models GROUP BY state, position
  ) AS listed
) AS m ON m.state = e.inventory
