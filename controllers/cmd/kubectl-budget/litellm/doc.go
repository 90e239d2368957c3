// Package litellm turns LiteLLM's configuration, and what its API says of teams, keys, users
// and budgets, into Bursar's resources. It reports, line by line, what cannot be carried over
// or means something else here, and guesses nothing in its place. No secret is read into a
// resource or a message: keys come as their hashes, providers' keys as the names of files.
package litellm
