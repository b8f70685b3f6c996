from django.urls import path

from querencia.web.portal import card, members, preferences, rewards

urlpatterns = [
    path("club/", members.club, name="club"),
    path("club/ask/", members.ask, name="club_ask"),
    path("club/code/", members.code, name="club_code"),
    path("club/join/", members.join, name="club_join"),
    path("club/enrol/", members.enrol, name="club_enrol"),
    path("club/share/", members.share, name="club_share"),
    path("club/leave/", members.leave, name="club_leave"),
    path("club/card/<int:pk>/", card.card, name="club_card"),
    path("club/card/<int:pk>/wallet/", card.phone, name="club_wallet"),
    path("club/card/lost/", card.lost, name="club_lost"),
    path("club/rewards/<int:pk>/", rewards.reward, name="club_reward"),
    path("club/mine/<int:pk>/", rewards.redemption, name="club_redemption"),
    path("club/out/", members.log_out, name="club_out"),
    path("p/<str:token>/", preferences.preferences, name="preferences"),
    path("p/<str:token>/<str:purpose>/", preferences.unsubscribe, name="unsubscribe"),
]
