// Package webhook validates Bursar's objects beyond the CEL rules of the CRDs: it rejects
// an object that conflicts with existing ones, and warns of one that may be a mistake.
//
// It also adds the finalizer to objects that are created, before a controller would.
//
// It must never have a rule that controllers/rules/acceptance does not have, and nothing
// may depend on its being called: the API server continues without it when it does not
// answer. It rejects no deletion, and no change that leaves the spec as it is.
package webhook
