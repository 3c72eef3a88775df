-- +goose Up
-- That the registry is being moved: into this database ('here'), which is not
-- whole until then, or out of it ('away'), which is not to change any more.
CREATE TABLE moves (
	direction TEXT COLLATE "C" PRIMARY KEY,
	peer      TEXT NOT NULL,
	began     BIGINT NOT NULL
);
