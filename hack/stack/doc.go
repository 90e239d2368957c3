// Package stack runs all of Bursar on one machine, with real servers: etcd and
// kube-apiserver, Redis, Postgres, the manager and the enforcers. Only the model
// provider is a fake, because it is the one that would have to be paid.
//
// Everything listens on free ports of the loopback interface, is a child of the
// program that starts the stack, and ends with it. Two stacks in two directories are
// independent.
package stack
