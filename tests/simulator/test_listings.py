"""Jobs, pools, services and clusters of the simulated clouds are listed and shown as the vendors document it."""

import json

from exporter.simulator import Cloud, Scenario
from exporter.simulator.state.accounts import PROJECT_ID
from exporter.simulator.state.resources import SimulatedRun
from tests.support.clouds import DLC, JOB, NOW, POOL, SERVICE, at_rest, get, send


def test_pai_lists_the_jobs_of_seven_days_unless_told_otherwise() -> None:
    cloud = at_rest()
    cloud.add_dlc_job("old", "Running", created=NOW - 8 * 86_400_000)
    assert [job["JobId"] for job in get(cloud, "/api/v1/jobs").json()["Jobs"]] == [DLC]
    everything = get(cloud, "/api/v1/jobs", StartTime="2022-01-01T00:00:00Z")
    assert everything.json()["TotalCount"] == 2


def test_training_jobs_are_searched_by_page_workspace_and_filter() -> None:
    cloud = at_rest()
    cloud.training.clear()
    for number in range(5):
        cloud.add_training_job(f"job-{number}", created=NOW + number, phase="Failed" if number == 2 else "Running")
    cloud.add_training_job("elsewhere", workspace="f00")

    def found(**body: object) -> list[str]:
        token = cloud.keys.token(NOW + 1)
        target = f"/v2/{PROJECT_ID}/training-job-searches"
        answer = send(cloud, "POST", target, json.dumps(body).encode(), headers={"x-auth-token": token})
        return [job["metadata"]["id"] for job in answer.json().get("items", [answer.json().get("error_code")])]

    assert found(offset=1, limit=2) == ["job-2", "job-1"]
    assert found(workspace_id="f00") == ["elsewhere"]
    assert found(filters=[{"key": "phase", "operator": "in", "value": ["Failed"]}]) == ["job-2"]
    assert len(found(filters=[{"key": "phase", "operator": "not", "value": ["Failed"]}])) == 4
    assert found(filters=[{"key": "name", "operator": "like", "value": ["b-3"]}]) == ["job-3"]
    since, until = "2022-11-26T08:10:00.003Z", "2022-11-26T08:10:01Z"
    assert found(filters=[{"key": "create_time", "operator": "between", "value": [since, until]}], order="asc") == [
        "job-3",
        "job-4",
    ]


def test_services_are_listed_by_start_page_and_shown_one_by_one() -> None:
    cloud = at_rest()
    cloud.add_service("failed", status="failed", published=NOW + 1)
    listing = f"/v1/{PROJECT_ID}/services"
    first, second = (get(cloud, listing, limit=1, offset=page).json() for page in (0, 1))
    assert (first["total_count"], first["count"]) == (2, 1)
    assert [page["services"][0]["service_id"] for page in (first, second)] == ["failed", SERVICE]
    assert get(cloud, listing, status="running").json()["services"] == second["services"]
    assert get(cloud, f"{listing}/{SERVICE}").json() == second["services"][0]
    assert second["services"][0]["publish_at"] == NOW


def test_pools_are_listed_by_workspace_and_status() -> None:
    cloud = at_rest()
    cloud.add_pool("broken", phase="Error", nodes=(0, 0, 0, 0))
    cloud.add_pool("elsewhere", workspace="f00")
    names = {
        str(query): [
            pool["metadata"]["name"] for pool in get(cloud, f"/v2/{PROJECT_ID}/pools", **query).json()["items"]
        ]
        for query in ({}, {"workspaceId": "f00"}, {"status": "failed"}, {"status": "created"})
    }
    assert list(names.values()) == [[POOL, "broken"], ["elsewhere"], ["broken"], [POOL]]


def test_a_dlc_job_shows_its_history_unless_no_detail_is_wanted() -> None:
    cloud = at_rest()
    job = cloud.dlc[DLC]
    job.enter("Failed", NOW + 5000, "JobFailed", "A pod exited with code 1")
    details = get(cloud, f"/api/v1/jobs/{DLC}").json()
    assert [(one["Status"], one["EndTime"]) for one in details["StatusHistory"]] == [
        ("Running", "2022-11-26T08:10:05Z"),
        ("Failed", "2022-11-26T08:10:05Z"),
    ]
    assert (details["GmtFailedTime"], details["Duration"]) == ("2022-11-26T08:10:05Z", 5)
    assert "StatusHistory" not in get(cloud, f"/api/v1/jobs/{DLC}", NeedDetail="False").json()


def test_an_unusable_search_is_refused() -> None:
    cloud = at_rest()
    target = f"/v2/{PROJECT_ID}/training-job-searches"
    for body in (b"[", b'{"limit": 51}', b'{"filters": [{"key": "colour", "operator": "in", "value": []}]}'):
        token = cloud.keys.token(NOW + 1)
        assert send(cloud, "POST", target, body, {"x-auth-token": token}).json()["error_code"] == "ModelArts.50004000"


def test_a_training_job_shows_its_runs_and_their_stages() -> None:
    cloud = at_rest()
    run = SimulatedRun(NOW)
    run.enter("scheduling", NOW)
    run.enter("running", NOW + 2000)
    run.stop(NOW + 9000, "failed")
    job = cloud.training[JOB]
    job.runs, job.started, job.ended, job.pool = [run], NOW + 2000, NOW + 9000, POOL
    details = get(cloud, f"/v2/{PROJECT_ID}/training-jobs/{JOB}").json()
    (record,) = details["status"]["running_records"]
    assert (details["status"]["duration"], details["spec"]["resource"]["pool_id"]) == (7000, POOL)
    assert (record["start_at"], record["end_at"], record["end_reason"]) == (NOW // 1000, NOW // 1000 + 9, "failed")
    stages = get(cloud, f"/v2/{PROJECT_ID}/training-jobs/{JOB}/stages").json()["running_records"][0]["stages"]
    assert [(stage["name"], stage["end_time"][14:19], stage["stage_order"]) for stage in stages] == [
        ("scheduling", "10:02", 1),
        ("running", "10:09", 2),
        ("end", "10:09", 3),
    ]


def test_dlc_jobs_are_sorted_and_filtered() -> None:
    cloud = at_rest()
    for number, name in enumerate(("b", "a", "c")):
        cloud.add_dlc_job(f"dlc-{name}", "Queuing", name=name, created=NOW - 10_000 + number)

    def found(**query: object) -> list[str]:
        return [job["JobId"] for job in get(cloud, "/api/v1/jobs", Status="Queuing", **query).json()["Jobs"]]

    assert found() == ["dlc-c", "dlc-a", "dlc-b"]
    assert found(SortBy="DisplayName", Order="asc", PageSize=2, PageNumber=2) == ["dlc-c"]
    assert found(JobIds="dlc-a,dlc-b,none", Order="asc") == ["dlc-b", "dlc-a"]
    assert found(DisplayName="C") == ["dlc-c"]
    assert found(WorkspaceId="none") == []
    for bad in ({"PageSize": 0}, {"SortBy": "Colour"}, {"PageNumber": "x"}):
        assert get(cloud, "/api/v1/jobs", **bad).json()["Code"] == "InvalidParameter"


def test_a_restarted_dlc_job_shows_the_pods_it_lost() -> None:
    cloud = Cloud(lambda: NOW)
    Scenario(cloud, 3, history=3600)
    id_ = next(job.id for job in cloud.dlc.values() if job.restarts and job.status in ("Succeeded", "Failed"))
    details = get(cloud, f"/api/v1/jobs/{id_}").json()
    assert len(details["RestartRecord"]) == 1
    assert [len(pod["HistoryPods"]) for pod in details["Pods"]] == [1, 1]
    assert details["Pods"][0]["HistoryPods"][0]["Status"] == "Failed"
