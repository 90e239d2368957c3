// Package ask asks a whole Bursar, as its users do, what was spent: the console's API, kubectl
// budget, kubectl and the provider's bill.
package ask
