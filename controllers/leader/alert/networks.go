package alert

import (
	"net/netip"
	"slices"
)

// globalUnicast is all of IPv6 that is given to networks of the public internet. What lies
// beside it leads elsewhere: home, or to IPv4 (mapped, compatible, translated).
var globalUnicast = netip.MustParsePrefix("2000::/3")

// notPublic are the networks of IANA's registries of special-purpose addresses, for IPv4 and
// within globalUnicast, also those that are reachable: no receiver of alerts is there. Some
// of IPv6 have IPv4 addresses in them. The last one is in no registry.
var notPublic = prefixes(
	"0.0.0.0/8",         // this network
	"10.0.0.0/8",        // private
	"100.64.0.0/10",     // shared by carriers, and some clouds' metadata
	"127.0.0.0/8",       // loopback
	"169.254.0.0/16",    // link-local, and most clouds' metadata
	"172.16.0.0/12",     // private
	"192.0.0.0/24",      // protocol assignments, and a cloud's metadata
	"192.0.2.0/24",      // documentation
	"192.31.196.0/24",   // AS112
	"192.52.193.0/24",   // AMT
	"192.88.99.0/24",    // relays of 6to4
	"192.168.0.0/16",    // private
	"192.175.48.0/24",   // AS112
	"198.18.0.0/15",     // benchmarks
	"198.51.100.0/24",   // documentation
	"203.0.113.0/24",    // documentation
	"224.0.0.0/4",       // multicast
	"240.0.0.0/4",       // reserved, and broadcast
	"2001::/23",         // protocol assignments: Teredo, benchmarks, ORCHID and others
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
	"168.63.129.16/32",  // Azure's platform, which only its own machines reach
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// isPublic is whether an address is of the public internet.
func isPublic(address netip.Addr) bool {
	return (address.Is4() || globalUnicast.Contains(address)) && !within(notPublic, address)
}

func within(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}
