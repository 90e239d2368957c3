// Package marks keeps what people say about alerts, in Postgres: that they have seen one, that
// nobody is to be told of it for some time, and that they want a test sent.
//
// It writes as a member of bursar_console, and tells the database in each transaction for which
// tenant. The database lets it add rows of these kinds for this tenant, and nothing else. Only
// an admin of the tenant may have it write.
package marks
