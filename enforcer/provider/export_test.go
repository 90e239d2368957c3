package provider

// ReadKey is how the Client reads a provider's key.
func ReadKey(dir, file string) (string, error) { return keyring{dir: dir}.read(file) }
