// Package e2e tests Bursar through the doors that its users use: kubectl, HTTP and
// SQL, with the built programs on real parts.
package e2e
