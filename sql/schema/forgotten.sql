-- model: forgotten
-- grain: kind, id_sha256
-- doc: One user or item that was asked to be forgotten; rows of raw files that bring it again are left out, and count as known.
-- column kind: user or item
-- column id_sha256: sha256 of kind, colon and id: sha256('user:' || user_id)
-- column release_id: the release, 1 = first
CREATE TABLE forgotten (
    kind VARCHAR NOT NULL,
    id_sha256 VARCHAR NOT NULL,
    release_id BIGINT NOT NULL
);
