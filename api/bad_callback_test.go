package api_test

import (
	"encoding/json"
	"strings"
)

// badCallbacks are callback addresses that are refused at registration (rule 7.7).
func badCallbacks() []bad {
	var all []bad
	for _, url := range []string{
		"", " ", "scout", "/instructions", "//scout.example.net/", "scout.example.net:8080/x", "http://", "https:///x", "http://:8080/", "http:scout.example.net",
		"ftp://scout.example.net/", "file:///etc/passwd", "HTTPS+unix://scout/", "javascript:alert(1)", "gopher://10.0.0.1/",
		"http://user@scout.example.net/", "http://user:password@scout.example.net/", "http://@scout.example.net/",
		"http://scout.example.net/#here", "http://scout.example.net/#",
		"http://scout.example.net:0/", "http://scout.example.net:65536/", "http://scout.example.net:/", "http://scout.example.net:http/",
		"http://scout example.net/", "http://scout.example.net/a b", "http://scout.example.net/\n", "http://scöut.example.net/", "http://scout\\example.net/",
		"http://-scout.example.net/", "http://scout..example.net/", "http://.example.net/", "http://" + strings.Repeat("a", 64) + ".example.net/",
		"http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/", "http://[fd00:ec2::254]/", "http://[fd20:ce::254]/",
		"http://169.254.1.1/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://0.0.0.0/", "http://[::]/", "http://224.0.0.1/", "http://[ff02::1]/",
		"http://240.0.0.1/", "http://255.255.255.255/", "http://192.0.2.1/", "http://[2001:db8::1]/",
		"http://127.0.0.1:9000/", "http://localhost/", "http://scout.localhost/", "http://localhost./", "http://[::1]/", "http://127.255.255.254/",
		"http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/",
		"http://10.0.0.1.5/", "http://10.0.0/", "http://10.0.0.256/", "http://10.0.0.01/", "http://scout.5/", "http://1.2.3.4./",
		"http://[::ffff:127.0.0.1]/", "http://[::ffff:169.254.169.254]/", "http://[::127.0.0.1]/",
		"http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::1]/", "http://[2002:7f00:1::]/",
		"http://[10.0.0.1]/", "http://[::1/", "http://%31%32%37.0.0.1/",
		"https://scout.example.net/" + strings.Repeat("x", 2048),
	} {
		body, err := json.Marshal(map[string]string{"boot_id": "boot-default", "callback_url": url})
		if err != nil {
			panic(err) // strings always have a JSON form
		}
		all = append(all, bad{name: "a callback to " + shortened(url), body: string(body), at: "/callback_url"})
	}
	return append(unacceptable("PUT", registrations, all...), unacceptable("PUT", registrations,
		bad{name: "a callback to a number", body: `{"boot_id":"boot-default","callback_url":2130706433}`, at: "/callback_url"},
		bad{name: "a callback to null", body: `{"boot_id":"boot-default","callback_url":null}`, at: "/callback_url"},
	)...)
}

func shortened(url string) string {
	const most = 80
	if len(url) > most {
		return url[:most] + " and more"
	}
	return `"` + url + `"`
}
