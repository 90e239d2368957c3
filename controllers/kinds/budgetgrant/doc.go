// Package budgetgrant reconciles BudgetGrants: it says in the status whether a grant
// is valid, has reached the enforcers, and is over, and keeps on record in Postgres
// what was granted, why and until when.
//
// It must never write a document, nor decide by its own clock. A grant is a part of
// its tenant's document, which package tenantbudget puts; enforcers and Redis start and
// end it by themselves, and this package observes that.
package budgetgrant
