// Package webhook tells whoever writes one of Bursar's objects what CEL in the CRDs
// cannot: that it cannot have effect beside the objects that are there, or that it
// can, and is perhaps not what was meant.
//
// It must never know a rule that controllers/acceptance does not know, and nothing
// may depend on its being asked: the API server goes on without it when it does not
// answer. It refuses no deletion, and no change that leaves the spec as it is.
package webhook
