"""Who runs the commands of the documentation: each command of a ```sh block, and the test that runs it.

tests/unit/test_docs.py fails where a command is missing here, where one stands here that no page has any more, and where the
test is not there.
"""

WALK = "tests/acceptance/test_docs_walk.py::test_every_command_of_the_start_page_does_what_it_says"
OPERATION = "tests/acceptance/test_docs_walk.py::test_the_commands_of_the_how_to_pages_run_against_a_running_up"
EXPLAINED = "tests/acceptance/test_docs_walk.py::test_the_worked_example_of_explain_is_what_it_prints"
GIVE_BACK = "tests/acceptance/test_docs_walk.py::test_money_is_given_back_as_the_page_says"
LIVE_AUDIT = "tests/acceptance/test_docs_walk.py::test_a_live_audit_tells_prometheus"
SPENDING = "tests/integration/exporter/test_spending_pages.py::test_the_commands_of_the_page_run"
MAKE = "tests/unit/test_docs.py::test_a_make_command_is_a_target_of_the_makefile"
TOOLS = "tests/unit/test_docs.py::test_a_tool_of_the_loop_of_a_change_is_installed"
TABLES = "tests/integration/setup/test_rebuild.py::test_the_commands_say_what_they_did"
CLUSTER = "tests/unit/sinks/write/test_migrations.py::test_the_tables_of_a_cluster_are_these"
OWN_SERVER = (
    "tests/contract/clickhouse/test_own_server.py::test_the_tests_run_on_a_server_of_your_own_and_leave_nothing_there"
)
COMPOSE = "tests/unit/test_compose.py::test_the_command_exists"
CAPACITY = "tests/unit/benchmarks/capacity/test_plan.py::test_the_chapter_shows_what_the_command_prints"
HARDENING = "tests/unit/test_compose_hardening.py"
KUBERNETES = "tests/unit/test_kubernetes.py"
NAMESPACE = f"{KUBERNETES}::test_all_of_it_is_in_one_namespace_that_takes_restricted_pods_alone"
NEW_JOB = f"{KUBERNETES}::test_a_new_version_has_a_new_job_and_the_right_image"
ALERT_MAILS = "tests/integration/watch/test_mails.py::test_an_account_has_a_threshold_of_its_own_and_gets_one_mail"
ACLS = "tests/integration/setup/test_acls.py::test_the_command_grants_and_lists"
MENDED = "tests/acceptance/test_wrong_deck.py::test_a_wrong_deck_is_mended_without_touching_history"

COMMANDS = {
    "make demo": "tests/acceptance/test_demo.py::test_the_demo_ends_by_itself_and_all_its_figures_hold",
    # What runs this test.
    "make test": MAKE,
    "make check": MAKE,
    "make lint": MAKE,
    "make types": MAKE,
    "make docs": MAKE,
    "make bench": MAKE,
    "make reference": "tests/unit/test_docs.py::test_a_page_that_is_made_from_the_code_is_current",
    ".venv/bin/ruff format .": TOOLS,
    ".venv/bin/python -m pytest tests/unit/streams": TOOLS,
    "credit-movements setup --acls": ACLS,
    "credit-movements setup --list-acls": ACLS,
    # Needs Docker: the file is held against the code piece by piece.
    "cp .env.example .env": f"{HARDENING}::test_git_takes_neither_the_secrets_nor_what_is_changed_of_the_settings",
    "deploy/make-secrets.sh": f"{HARDENING}::test_the_secrets_are_made_once_and_each_is_another",
    "docker compose up --build --detach --wait": COMPOSE,
    "docker build --tag credit-movements:0.1.0 .": "tests/unit/test_image.py::test_the_image_says_what_it_is",
    # Needs a cluster: the same holds for the manifests.
    "kubectl apply -f deploy/kubernetes/setup/namespace.yaml": NAMESPACE,
    "kubectl apply -f secrets.yaml": f"{KUBERNETES}::test_a_worker_sees_its_own_secrets_alone_and_all_of_them",
    "kubectl apply -k deploy/kubernetes/setup": NEW_JOB,
    "kubectl wait --namespace credit-movements --for=condition=complete --timeout=10m job/setup-0-1-0": NEW_JOB,
    "kubectl apply -k deploy/kubernetes/workers": NEW_JOB,
    "kubectl rollout status --namespace credit-movements statefulset/rater": NAMESPACE,
    ".venv/bin/python -m benchmarks.capacity --events-per-second 1000000 --rows 100000000000": CAPACITY,
    ".venv/bin/credit-movements up": WALK,
    ".venv/bin/python examples/publish_events.py --account acme --type call --quantity 187 --destination +4915112345678": WALK,
    ".venv/bin/python examples/publish_events.py --account acme --top-up 25": WALK,
    ".venv/bin/python examples/publish_events.py --account acme --type sms --destination +4915112345678 --quantity 2"
    " --user anna --direction outbound --from-number +4930123456 --campaign spring": WALK,
    ".venv/bin/credit-movements balance acme": WALK,
    ".venv/bin/credit-movements spending acme": SPENDING,
    ".venv/bin/credit-movements spending acme --from 2026-10-01 --to 2026-11-01 --by day,description"
    " --time-zone Europe/Berlin": SPENDING,
    ".venv/bin/credit-movements spending acme --by user --json": SPENDING,
    ".venv/bin/credit-movements balance acme --at 2026-11-01": SPENDING,
    ".venv/bin/credit-movements request-export acme --wait": WALK,
    ".venv/bin/credit-movements request-export acme --wait --columns detailed --format xlsx": WALK,
    ".venv/bin/python examples/follow_movements.py --once": WALK,
    ".venv/bin/credit-movements rates lint rates.csv": WALK,
    ".venv/bin/credit-movements rates publish rates.csv": WALK,
    ".venv/bin/credit-movements rates diff old.csv new.csv": MENDED,
    ".venv/bin/credit-movements rates diff new.csv --against P30D": MENDED,
    ".venv/bin/credit-movements rates diff published rates-right.csv --over": MENDED,
    ".venv/bin/credit-movements rates diff rates-right.csv --against P30D --over": MENDED,
    ".venv/bin/credit-movements rates diff rates-right.csv --against P30D --over --adjust corrections.jsonl": MENDED,
    ".venv/bin/credit-movements publish adjustment-events corrections.jsonl": MENDED,
    ".venv/bin/python examples/publish_events.py --account globex --type call --quantity 187 --destination +4915112345678"
    " --event-id 7d1e4b8a-9c55-4f0a-8a52-000000000001": GIVE_BACK,
    ".venv/bin/credit-movements balance globex": GIVE_BACK,
    ".venv/bin/credit-movements publish adjustment-events refund.jsonl": GIVE_BACK,
    ".venv/bin/credit-movements request-export globex --wait": GIVE_BACK,
    ".venv/bin/credit-movements publish usage-events events.jsonl": OPERATION,
    ".venv/bin/credit-movements publish account-plans plans.jsonl": OPERATION,
    (
        ".venv/bin/credit-movements request-export acme --wait --columns detailed --period-from 2026-01-01"
        " --format xlsx"
    ): OPERATION,
    ".venv/bin/credit-movements verify credit-movements_2026-09-24_2026-10-24.csv": OPERATION,
    ".venv/bin/python examples/export_mails.py --folder mails --once": OPERATION,
    ".venv/bin/credit-movements publish alert-settings alert-settings.jsonl": OPERATION,
    ".venv/bin/python examples/alert_mails.py --folder mails --once": ALERT_MAILS,
    ".venv/bin/credit-movements watch": ALERT_MAILS,
    ".venv/bin/python examples/copy_to_prefix.py --config kafka.json --from acme. --to acme2.": (
        "tests/integration/brands/test_more_partitions.py::test_an_account_s_history_goes_on_in_topics_with_more_partitions"
    ),
    ".venv/bin/credit-movements delete-export acme 0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10": OPERATION,
    ".venv/bin/credit-movements explain 7d9f4c1e-52a7-4a3e-9d0b-6f1f0a6c9b11": EXPLAINED,
    ".venv/bin/credit-movements explain 7d9f4c1e-52a7-4a3e-9d0b-6f1f0a6c9b11 --account brightline --json": EXPLAINED,
    ".venv/bin/credit-movements audit": OPERATION,
    ".venv/bin/credit-movements audit --full": OPERATION,
    ".venv/bin/credit-movements audit --every 300 --http-port 18084": LIVE_AUDIT,
    ".venv/bin/credit-movements setup --clickhouse-users": TABLES,
    ".venv/bin/credit-movements setup --cluster telephony": CLUSTER,
    ".venv/bin/credit-movements rebuild": TABLES,
    ".venv/bin/credit-movements erase acme": TABLES,
    "CREDIT_TEST_CLICKHOUSE_DSN=http://user:password@host:8123/default .venv/bin/python -m pytest tests/contract/clickhouse"
    " tests/integration/sink tests/integration/audit tests/integration/exporter": OWN_SERVER,
    ".venv/bin/credit-movements dead-letters list": OPERATION,
    ".venv/bin/credit-movements dead-letters list --show usage-events.dlq/3@17": OPERATION,
    ".venv/bin/credit-movements dead-letters replay --dry-run": OPERATION,
    ".venv/bin/credit-movements dead-letters replay --reason no_rate --since 2026-10-24T00:00:00Z": OPERATION,
}
