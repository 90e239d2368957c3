// Package certificate gives the webhooks' servers certificates that the API server
// trusts, without anybody's help.
//
// One Secret holds an authority that signs nothing else. The manager that leads makes
// it and tells the API server of it; every manager signs a certificate of its own with
// it, which is never written anywhere. It must never need more than to read and change
// that one Secret, and the two configurations of our webhooks.
package certificate
