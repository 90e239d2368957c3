// Package process runs the servers that tests and the dev stack need, as
// children in the foreground.
//
// A child must never outlive the program that started it, however that program
// ends, and is never looked for by its name: it is stopped through its handle.
package process
