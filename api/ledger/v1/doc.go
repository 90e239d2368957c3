// Package ledgerv1 is the contract in Postgres: what is on record of calls, refusals and
// alerts, in which words, tables and columns. Whoever writes there or reads from there
// takes them from here; the migrations, which are SQL, are held to it by a test.
//
// It knows nothing of Kubernetes, nor of a driver of Postgres, and imports the standard
// library and its neighbours in api alone. What is on record stays on record: a word that
// was ever written there must not get another meaning.
package ledgerv1
