// Package history reads the records of the past: the calls of the ledger, those that were
// refused, and the limits that were in force.
//
// It reads as a member of bursar_reader, and tells the database in each transaction for
// which tenant; or as a member of bursar_manager; or, what all tenants spent, as a member
// of bursar_finance. Its transactions are short, however much is read: a page of calls
// each. It must never write.
package history
