// Package litellm turns LiteLLM's configuration, and what its API tells of teams, keys, users
// and budgets, into Bursar's resources. What cannot be carried over, or means something else
// here, is told line by line, and nothing is guessed in its place. No secret is read into a
// resource or a message: keys come as their hashes, providers' keys as the names of files.
package litellm
