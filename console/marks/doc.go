// Package marks keeps what people say of alerts, in Postgres: that they have seen one, that
// nobody is to be told of it for some time, and that they want to be sent one as a test.
//
// It writes as a member of bursar_console, and says in each transaction for which tenant; the
// database lets it add rows of these kinds, for this tenant, and nothing else. It must never be
// asked to for anybody but an admin of the tenant.
package marks
