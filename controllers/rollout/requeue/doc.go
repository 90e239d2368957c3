// Package requeue says when to look at an object again.
package requeue
