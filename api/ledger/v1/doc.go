// Package ledgerv1 is the contract in Postgres: the words, tables and columns in which
// calls, refusals and alerts are recorded. All code that writes or reads them takes them
// from here; a test checks that the SQL migrations agree.
//
// It knows nothing of Kubernetes, nor of a driver of Postgres, and imports the standard
// library and its neighbours in api alone. Records are permanent: a word that was ever
// written must not change its meaning.
package ledgerv1
