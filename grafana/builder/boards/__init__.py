"""The dashboards, one file each."""

from grafana.builder.boards import dws, exporter, jobs, overview, pools, services
from grafana.builder.model import Board

BOARDS: tuple[Board, ...] = (overview.BOARD, jobs.BOARD, pools.BOARD, services.BOARD, dws.BOARD, exporter.BOARD)
