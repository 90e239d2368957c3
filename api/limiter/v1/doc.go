// Package limiterv1 is the contract between the planes: what the control plane writes
// into Redis, what the enforcers report there, and how the limiter's keys and counters
// are laid out.
//
// It knows nothing of Kubernetes, and imports only the standard library and its
// neighbours in api, so that the data plane can be built and tested without a cluster.
// It must never hold a secret: a credential is known here by its SHA-256, a provider's
// key by the name of a file that enforcers mount.
package limiterv1
