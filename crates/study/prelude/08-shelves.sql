-- The models of each host, as it last listed them: a row per host, endpoint and model.
SELECT
  e.host, e.endpoint, m.position, m.name, m.digest, m.family, m.parameters, m.quantisation, m.format, m.remote, m.remote_host,
  m.system_prompt, m.system_prompt_class, m.modified,
  CASE WHEN m.quantisation IS NULL THEN NULL
       WHEN upper(m.quantisation) LIKE 'Q4%' OR upper(m.quantisation) LIKE 'IQ4%' OR upper(m.quantisation) IN ('MXFP4', 'NVFP4', 'NF4', 'INT4', 'AWQ') OR m.quantisation LIKE '4bit%' OR m.quantisation LIKE '4-bit%' THEN '4-bit'
       WHEN upper(m.quantisation) LIKE 'Q8%' OR upper(m.quantisation) IN ('FP8', 'INT8', 'MXFP8') OR m.quantisation LIKE '8bit%' OR m.quantisation LIKE '8-bit%' THEN '8-bit'
       WHEN upper(m.quantisation) IN ('F16', 'BF16', 'FP16') THEN '16-bit'
       WHEN upper(m.quantisation) IN ('F32', 'FP32') THEN '32-bit'
       WHEN upper(m.quantisation) LIKE 'Q5%' OR upper(m.quantisation) LIKE 'IQ5%' THEN '5-bit'
       WHEN upper(m.quantisation) LIKE 'Q6%' THEN '6-bit'
       WHEN upper(m.quantisation) LIKE 'Q3%' OR upper(m.quantisation) LIKE 'IQ3%' THEN '3-bit'
       WHEN upper(m.quantisation) LIKE 'Q2%' OR upper(m.quantisation) LIKE 'IQ2%' OR upper(m.quantisation) LIKE 'TQ2%' THEN '2-bit'
       WHEN upper(m.quantisation) LIKE 'IQ1%' OR upper(m.quantisation) LIKE 'TQ1%' THEN '1-bit'
       ELSE 'other' END AS bits,
  CASE WHEN m.billions < 1 THEN '<1B' WHEN m.billions < 4 THEN '1-3B' WHEN m.billions < 8 THEN '4-7B' WHEN m.billions < 15 THEN '8-14B'
       WHEN m.billions < 36 THEN '15-35B' WHEN m.billions < 80 THEN '36-79B' WHEN m.billions >= 80 THEN '>=80B' END AS size
FROM endpoints AS e
JOIN (
  SELECT *,
    CASE upper(right(trim(parameters), 1))
    WHEN 'T' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE) * 1000
    WHEN 'B' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE)
    WHEN 'M' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE) / 1000
    WHEN 'K' THEN try_cast(substr(trim(parameters), 1, length(trim(parameters)) - 1) AS DOUBLE) / 1000000
    ELSE NULL END AS billions
  FROM (
    SELECT state, position, max(name) AS name, max(digest) AS digest, max(family) AS family, max(parameters) AS parameters,
    max(quantisation) AS quantisation, max(format) AS format, bool_or(remote) AS remote, max(remote_host) AS remote_host,
    max(system_prompt) AS system_prompt, max(system_prompt_class) AS system_prompt_class, max(modified) AS modified
    FROM models GROUP BY state, position
  ) AS listed
) AS m ON m.state = e.inventory
