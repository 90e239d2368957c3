// Package requests keeps what people ask for beyond their limits, in Postgres, and what admins
// decide.
//
// It writes as a member of bursar_console, and tells the database in each transaction on whose
// behalf. The database lets it add what this user asks for, or what an admin of this tenant
// decides, and nothing else.
package requests
