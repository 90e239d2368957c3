// Package api is the console's HTTP API: its routes, what they take and what they answer. The
// OpenAPI document is generated from these types.
//
// Its files: api.go puts it together, request.go has what routes share of their parameters,
// problem.go the errors, money.go and csv.go how figures are written; every other file is a
// route, or a few that belong together.
//
// It must never answer anybody with more than their role lets them see, and reads the ledger
// as whom it answers: the database holds the same line.
package api
