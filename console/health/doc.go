// Package health reads what Postgres knows of Bursar's own health, for the platform's admins: when
// enforcers were heard of, how recent calls went by provider, how far behind the ledger is, what the
// last audit found, and which messages wait. It tells of no tenant, and no user. It reads as
// bursar_console, by functions of the schema that read tables which the console may not.
package health
