// Package ledgerv1 is the contract in Postgres: the words, tables and columns in which
// calls, refusals and alerts are recorded. All code that writes or reads them takes them
// from here; a test checks that the SQL migrations agree.
//
// It knows nothing of Kubernetes or of a Postgres driver, and imports only the standard
// library and its neighbours in api. Records are permanent: a word that was ever written
// must not change its meaning.
package ledgerv1
