// Package maintenance keeps the database in shape for as long as the manager leads: it
// runs migrations, makes the ledger's partitions of the months to come, and detaches
// those of months long gone.
//
// It must never delete what was recorded: a partition that is detached stays as a table.
package maintenance
