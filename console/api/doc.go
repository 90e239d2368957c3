// Package api is the console's HTTP API: its routes, what they take and what they answer. The
// OpenAPI document is generated from these types.
//
// Its files: api.go puts it together, request.go has what routes share of their parameters,
// problem.go the errors, money.go and csv.go how figures are written; every other file is a
// route, or a few that belong together.
//
// It must never answer callers with more than their role lets them see. It tells the database
// for whom it reads the ledger, and the database enforces the same.
package api
