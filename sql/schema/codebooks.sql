-- model: codebooks
-- grain: codebook_id, level, code
-- doc: One code.
-- column codebook_id: fingerprint of the frozen codebook
-- column numbering_id: the codebook that first gave these code numbers their meaning; itself where they were learned
-- column embedding_id: the frozen embedding model (basis, weights, standardisation)
-- column level: level of the Semantic ID, 1 = coarsest (0 = all levels together)
-- column code: code number within the level, 0 … V-1; never renumbered
-- column centroid: d coordinates of the code, in the space of the residuals
-- column n_items: items that took the code when the codebook was learned
-- column ood_error: 99.9 % quantile of recon_error at learning; one figure a codebook
CREATE TABLE codebooks (
    codebook_id VARCHAR NOT NULL,
    numbering_id VARCHAR NOT NULL,
    embedding_id VARCHAR NOT NULL,
    level UTINYINT NOT NULL,
    code USMALLINT NOT NULL,
    centroid FLOAT[] NOT NULL,
    n_items BIGINT NOT NULL,
    ood_error FLOAT NOT NULL
);
