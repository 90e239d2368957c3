// Package compile turns resources into the documents that enforcers run.
//
// Its functions are pure: the same resources make the same document, byte for
// byte once encoded, whatever order they were listed in. It catches what the CRDs'
// schemas and CEL rules cannot, and must never make a document from a resource
// that it finds an error in.
package compile
