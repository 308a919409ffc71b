# shellcheck shell=bash disable=SC2154
# Part of tests/packages.sh: the roles, run by Ansible in the chroot, which therefore needs no ssh.

say "The same by Ansible"
roles_are_clean() { (cd packaging/ansible && ansible-lint --offline -q); }
check "ansible-lint finds nothing" roles_are_clean
rm -rf "$root/var/lib/bbb2pod"
mkdir -p "$root/work/target/debian"
cp "$hook_deb" "$receiver_deb" "$root/work/target/debian/"
cp -r packaging "$root/work/"
cat >"$root/work/hosts.yml" <<END
all:
  vars: { ansible_connection: local, ansible_become: false, ansible_python_interpreter: /usr/bin/python3 }
  children:
    bbb2pod_receivers:
      hosts: { this: }
      vars:
        bbb2pod_receiver_server_name: bbb2pod.univ.example
        bbb2pod_receiver_config:
          destination: { kind: directory, directory: /srv/pod/ftp/bbbclaim }
    bbb2pod_nodes:
      hosts: { this: }
      vars:
        bbb2pod_hook_config:
          node: bbb1
          http: { receiver: "http://127.0.0.1:8085", token_file: /etc/bbb2pod/token }
END
playbook() {
    within env ANSIBLE_LOCALHOST_WARNING=false \
        ansible-playbook -i /work/hosts.yml /work/packaging/ansible/site.yml "$@" >"$scratch/said" 2>&1 ||
        { tail -n 30 "$scratch/said"; return 1; }
}
changed() { sed -n 's/^this .*changed=\([0-9]*\).*failed=0.*/\1/p' "$scratch/said"; }
# Whether every node of an example has settings, and a receiver of that example to be added at.
is_whole() {
    within ansible-inventory -i "/work/packaging/ansible/inventories/$1/hosts.yml" --list >"$scratch/said" 2>&1 &&
        python3 - "$scratch/said" <<'END'
import json, sys
inventory = json.load(open(sys.argv[1]))
def members(group):
    group = inventory.get(group, {})
    return group.get("hosts", []) + [h for child in group.get("children", []) for h in members(child)]
receivers, nodes = members("bbb2pod_receivers"), members("bbb2pod_nodes")
known = inventory["_meta"]["hostvars"]
assert receivers and nodes
assert all(known[n]["bbb2pod_hook_config"]["http"]["receiver"] for n in nodes)
assert all(known[r]["bbb2pod_receiver_config"]["destination"]["kind"] for r in receivers)
END
}
for example in standalone sharded ha; do
    check "the inventory $example is whole" is_whole "$example"
done
check "what would change can be asked before" playbook --check --diff
check "and nothing has changed then" is_not there /usr/bin/bbb2pod-hook
check "it sets both up, and enrols the node" playbook
check "the receiver runs" until_ answers
check "the token is there" [ -s "$root/etc/bbb2pod/token" ]
check "the receiver knows the node" sh -c "chroot '$root' runuser -u bbb2pod -- bbb2pod-receiver node list | grep -q '^bbb1'"
check "sending runs" within systemctl is-active bbb2pod-hook
check "nginx takes the site" within nginx -t -q
check "the node may send" within_log reconciled runuser -u bigbluebutton -- bbb2pod-hook reconcile
check "it can be run again" playbook
check "and changes nothing then" same "$(changed)" 0
check "nor does asking again" playbook --check --diff
check "find anything to change" same "$(changed)" 0
