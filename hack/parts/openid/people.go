package openid

// URLVariable is the environment variable with the URL of the dev stack's server.
const URLVariable = "OPENID_URL"

// Person is somebody who can sign in.
type Person struct {
	// Name is what is typed at the sign-in, and the claims sub and preferred_username.
	Name string
	// Email is verified.
	Email  string
	Groups []string
}

// PasswordPrefix and a person's name make the password. It is no secret.
const PasswordPrefix = "bursar-sample-"

// Password is what a person signs in with.
func (p Person) Password() string { return PasswordPrefix + p.Name }

// People are those of the sample company acme: one of each tier, an administrator, and a person
// whom no group makes a member of anything.
func People() []Person {
	person := func(name string, groups ...string) Person {
		return Person{Name: name, Email: name + "@acme.example", Groups: groups}
	}
	return []Person{
		person("eva", "acme-empleados"),
		person("gil", "acme-gerentes"),
		person("carla", "acme-corporativo"),
		person("ada", "acme-admins", "acme-gerentes"),
		person("nadia"),
	}
}
