// Package mission goes through a day of a company, as its people see it in their browsers, on a
// whole Bursar with a console, an OpenID Connect server and a mail server.
package mission
