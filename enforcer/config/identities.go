package config

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

func (c *Config) putIdentityProvider(name string, body []byte) error {
	var document limiterv1.IdentityProvider
	if err := json.Unmarshal(body, &document); err != nil {
		return err
	}
	if document.Name != name {
		return fmt.Errorf("the document is for IdentityProvider %q", document.Name)
	}
	compiled, err := identity.Compile(document)
	if err != nil {
		return err
	}
	c.SetProvider(name, compiled)
	return nil
}

func (c *Config) putMembers(name string, body []byte) error {
	var members limiterv1.Members
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	switch {
	case members.Name != name:
		return fmt.Errorf("the document is for Membership %q", members.Name)
	case members.Tenant == "" || members.Provider == "":
		return errors.New("the Membership has no tenant or no IdentityProvider")
	}
	c.Members().Put(members)
	return nil
}
