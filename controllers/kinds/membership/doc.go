// Package membership reconciles Memberships: it programs who belongs to a tenant into
// Redis, and reports in the status how far that has been rolled out.
//
// The IdentityProvider of a Membership decides whom it may name. A member whom it does not
// allow any more must never stay programmed, whatever else is wrong with the Membership.
package membership
