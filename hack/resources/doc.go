// Package resources makes random resources for tests: valid by construction, from
// the values at the edges of what a field may be, or with one thing broken on
// purpose, so that it is known which field an error has to name.
//
// What is valid is stated here a second time, by hand. The package must never use the code
// under test, which would agree with itself.
package resources
