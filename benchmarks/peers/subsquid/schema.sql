-- What the migration that Subsquid generates for lib/model would make.
CREATE TABLE bet_placed (
  id varchar PRIMARY KEY,
  height int4 NOT NULL,
  log_index int4 NOT NULL,
  market text NOT NULL,
  bettor text NOT NULL,
  outcome int4 NOT NULL,
  amount numeric NOT NULL
);
