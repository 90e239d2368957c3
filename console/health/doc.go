// Package health reads what Postgres knows of Bursar's own health, for the platform's admins: when
// enforcers were last heard, how recent calls went by provider, how far behind the ledger is, what
// the last audit found, and which messages wait. It tells nothing about tenants or users. It reads
// as a member of bursar_console, with functions of the schema that read tables which the console
// itself may not read.
package health
