// Package analysis finds what is valid in an object and surely not meant: a price per token,
// a model that nobody lists, a limit that no call fits into.
//
// The webhooks tell it as warnings to the writer of an object, the controllers in the
// condition Warning, and kubectl budget check for files: none of them may have rules of its
// own. Nothing found here may keep an object from having effect; that is for acceptance.
package analysis
